"""What is played: games, the problems that they induce, their files and the catalog."""
