"""Pictures of a metric world: camera, painted planes and sprites, materials, what a lens adds. Knows no kitchen."""
