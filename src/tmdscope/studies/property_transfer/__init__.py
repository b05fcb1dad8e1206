"""What a cheap property knows of a dear one: band gaps of compounds, computed and measured."""
