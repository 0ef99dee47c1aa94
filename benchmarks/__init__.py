"""The main job, timed: see README.md in this folder."""
