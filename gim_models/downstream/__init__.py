"""What matches are for: pictures and files of matches, homographies, bird's-eye views."""
