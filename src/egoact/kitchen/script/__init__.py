"""What happens: recipes strung together to actions, and the movements of each, consistent with the kitchen's state.

Imports `kitchen.rooms` and `kitchen.cook`.
"""
