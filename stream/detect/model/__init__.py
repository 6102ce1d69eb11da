"""The autoencoders and how their errors are computed."""
