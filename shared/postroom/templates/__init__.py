"""Templates of mails: what they are, how values are put in, and what is wrong with them."""
