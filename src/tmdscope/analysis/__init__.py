"""What a trained network's embedding has to do with the surface; knows no training."""
