"""`make quality`: how well the defaults detect on real labelled data, beside floors and bars; three seeds."""
