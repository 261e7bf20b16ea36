"""Runs of an experiment shown: tables, timelines, drawings, pages; from an `Account`."""
