"""What is wrong with this installation: one check each, with its evidence and what to do."""
