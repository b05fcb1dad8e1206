"""Networks that look at images: weights, backbones, heads, target encodings."""
