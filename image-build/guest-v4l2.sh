# shellcheck shell=sh
# Run by the test inside the image, as root: a camera with a lens, as a USB camera is one, by the kernel's own simulation (vivid).
modprobe vivid n_devs=1 num_inputs=1 input_types=0x0 num_outputs=0 node_types=0x1
udevadm settle
for node in /dev/video*; do
    echo "V4L2 node $node, $(cat "/sys/class/video4linux/${node#/dev/}/name")"
done
echo "V4L2 end"
