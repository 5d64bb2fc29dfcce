"""Structure maps: what a person's body looks like from eight sides, without clothes or face.

`folder` is the format on disk that training reads, and that any tool which recovers bodies from
images can write; `body` draws a body of ellipsoids from 3-D joints, `lift` makes these from 2-D
keypoints, and `keypoints` finds these in images.
"""
