"""The cook: head, arms, hands, how each thing is gripped, and how values move over an action.

Imports `kitchen.drawing`.
"""
