"""Who leads at each size: quality over the memory that it takes, as data, in the terminal, and as a picture and a page."""
