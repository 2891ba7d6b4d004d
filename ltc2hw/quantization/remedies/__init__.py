"""What wins back accuracy that integers lost: one file for each remedy, all of them functions."""
