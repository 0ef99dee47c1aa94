"""What plh is measured against. Each script stands alone, and runs in .venv-peers."""
