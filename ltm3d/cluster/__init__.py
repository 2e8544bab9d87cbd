"""The Ray cluster of a stage: started on the loopback or joined, its nodes asked, and reported to `ltm3d doctor`."""
