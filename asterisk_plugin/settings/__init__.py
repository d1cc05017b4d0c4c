"""Configuration files to typed values, every error found in one go."""
