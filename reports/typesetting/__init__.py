"""Text in any script on a page: order, faces, shapes, line breaks, paragraphs, and what is embedded of the faces.

Each module reads those before it: `bidi`, `breaks`, `faces`, `shaping`, `embedding`, `paragraph`, `drawing`. HarfBuzz
shapes, reportlab keeps the pages; the text layer of the PDF holds the text as it was given, in reading order.
"""
