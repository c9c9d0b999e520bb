"""What the answers of the course must be; made by ``python -m vad_lib.course.build`` from ``notebooks/course/sources``."""
