"""What is done to images before they are stored."""
