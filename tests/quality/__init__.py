"""`make quality`: detection by the defaults on real labelled data, beside floors and bars; three seeds."""
