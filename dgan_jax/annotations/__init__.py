"""Folders of painted masks: ours and the release's."""
