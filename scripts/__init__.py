"""What `make` runs to write files from the program itself."""
