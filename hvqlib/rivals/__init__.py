"""What the model is measured against."""
