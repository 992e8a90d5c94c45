"""What serving over HTTP costs beside the model."""
