"""Generated images, and what can be measured on them."""
