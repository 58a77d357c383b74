"""Many runs: a table of jobs, and the places where they are worked on."""
