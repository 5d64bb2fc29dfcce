"""What strangers can hand to camtrail, read from bytes that nobody made with care."""
