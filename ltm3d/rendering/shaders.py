"""What the OpenGL renderer computes at each vertex, sample and pixel (GLSL)."""

# With the eye at e and the camera's axes r (right), u (up), b (back), a point p is at the depth w = -b · (p - e), and
#     clip = (r · (p - e) / tan(fov / 2),  -u · (p - e) / tan(fov / 2),  A w + B,  w):
# y is turned so that the picture's first row is the first in memory; A and B bring the mesh's depths to [-1, 1].
SURFACE_VERTEX = """
#version 330
uniform mat4 to_clip;
uniform vec3 eye;
in vec3 position, normal, color;
out vec3 ray, corner_normal, base_color;
out float depth;
void main() {
    gl_Position = to_clip * vec4(position, 1);
    ray = position - eye;
    corner_normal = normal;
    base_color = color;
    depth = gl_Position.w;
}
"""

# n = the interpolated normal, turned to the camera;  light = sky (0.7 + 0.3 n_y) + headlight max(n · key, 0).
SURFACE_FRAGMENT = """
#version 330
uniform float sky, headlight;
uniform vec3 key;
in vec3 ray, corner_normal, base_color;
in float depth;
layout(location = 0) out vec4 light;
layout(location = 1) out vec4 surface;
void main() {
    vec3 normal = corner_normal * ((dot(corner_normal, ray) > 0 ? -1 : 1) / max(length(corner_normal), 1e-9));
    float shade = sky * (0.7 + 0.3 * normal.y) + headlight * max(dot(normal, key), 0);
    light = vec4(base_color * shade, 1);
    surface = vec4(normal, depth);
}
"""

FULL_VERTEX = """
#version 330
void main() {
    gl_Position = vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1);  // one triangle over the picture
}
"""

# Each pixel: the sums over its factor² samples, and the smallest depth of the covered ones.
POOL_FRAGMENT = """
#version 330
uniform sampler2D light, surface;
uniform int factor;
layout(location = 0) out vec4 pooled_light;
layout(location = 1) out vec4 pooled_surface;
void main() {
    ivec2 corner = ivec2(gl_FragCoord.xy) * factor;
    vec4 sum = vec4(0);
    vec3 normals = vec3(0);
    float nearest = 1e30;
    for (int y = 0; y < factor; y++) {
        for (int x = 0; x < factor; x++) {
            vec4 sample_light = texelFetch(light, corner + ivec2(x, y), 0);
            vec4 sample_surface = texelFetch(surface, corner + ivec2(x, y), 0);
            sum += sample_light;
            normals += sample_surface.xyz;
            nearest = min(nearest, sample_light.a > 0 ? sample_surface.w : 1e30);
        }
    }
    pooled_light = sum;
    pooled_surface = vec4(normals, nearest);
}
"""
