"""Common models by the numbers in their public configs, so that they can be planned for without a download."""
