#!/bin/sh
# Makes the shipped clips anew: make_clips.sh FOLDER, where FOLDER holds carphone_pristine.mp4. Needs ffmpeg.
# MJPEG in AVI, because the daemon's own file source reads it without ffmpeg.
set -eu
sources=${1:?give the folder that holds carphone_pristine.mp4}
here=$(cd "$(dirname "$0")" && pwd)
quiet="-hide_banner -nostdin -loglevel error -y"
mjpeg="-an -c:v mjpeg -pix_fmt yuvj420p -fflags +bitexact -flags:v +bitexact -map_metadata -1"

ffmpeg $quiet -i "$sources/carphone_pristine.mp4" $mjpeg -q:v 3 "$here/carphone.avi"

# A camera that moves in on the astronaut's face, wavers, and moves out again: seven seconds, 25 frames a second.
# The picture is enlarged first, because zoompan moves by whole pixels.
zoom="1.4-0.4*cos(2*PI*on/175)"
x="max(0,min(iw-iw/zoom,4*224-iw/zoom/2+4*30*sin(2*PI*on/87)))"
y="max(0,min(ih-ih/zoom,4*125-ih/zoom/2+4*16*sin(2*PI*on/58)))"
pan="crop=512:384:0:0,scale=2048:1536:flags=lanczos,zoompan=z='$zoom':x='$x':y='$y':d=175:s=320x240:fps=25"
ffmpeg $quiet -i "$here/astronaut.png" -vf "$pan" $mjpeg -q:v 4 "$here/astronaut.avi"
