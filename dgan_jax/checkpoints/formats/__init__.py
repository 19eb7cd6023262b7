"""What files are made of: pickles, zips, tensors; nothing of ours yet."""
