"""Mesh files of any format, read with suspicion and written: GLB and glTF, OBJ, PLY, OFF, STL."""
