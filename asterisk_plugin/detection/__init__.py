"""Whether a machine or a person answered, heard on live audio. Nothing here waits: samples in, findings out."""
