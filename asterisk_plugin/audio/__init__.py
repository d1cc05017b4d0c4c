"""What the person on the objection line hears: texts, the sounds made of them, and whether Asterisk can play them."""
