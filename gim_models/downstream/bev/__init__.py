"""Bird's-eye views: point clouds seen from above as pictures, matched by image matchers, aligned in the plane."""
