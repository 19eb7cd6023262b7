"""What a label is: parts of an object, or keypoints."""
