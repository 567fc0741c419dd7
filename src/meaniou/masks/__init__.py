"""Files become label maps, and two folders become pairs of them."""
