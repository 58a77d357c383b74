"""What the loop is made of: keys, precision, settings side by side, many steps at once, several devices."""
