"""Which encoder a site uses, and the way from one to the next."""
