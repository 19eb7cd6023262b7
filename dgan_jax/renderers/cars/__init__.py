"""Cars: their shapes, parts, keypoints and scenery."""
