"""The course: five lessons in ``notebooks/course``, their small files, and the checker of their exercises.

A lesson imports what it needs from here, and its pictures from a module of its own::

    from vad_lib.course import check, drawing, lesson_bags
    from vad_lib.course.figures import lesson_1 as figures
"""

from vad_lib.course.checker import Verdict, check
from vad_lib.course.material import LessonBags, LessonRun, drawing, lesson_bags, lesson_log, lesson_runs

__all__ = ["LessonBags", "LessonRun", "Verdict", "check", "drawing", "lesson_bags", "lesson_log", "lesson_runs"]
