"""One process a camera: source -> detect -> track -> crops -> publish."""
