# shellcheck shell=sh
# Run by the test inside the image, as root: decoders, as hardware has them, by the kernel's own simulations (image-build/drivers). Then
# it does what the test says by the second serial port, until the machine ends.
mkdir -p /run/drivers
mount -t erofs -o ro /dev/disk/by-id/virtio-Keepsight-Test-2 /run/drivers
modprobe -a mc videodev videobuf2-v4l2 videobuf2-vmalloc v4l2-tpg
for driver in v4l2-mem2mem vicodec visl; do
    insmod "/run/drivers/$driver.ko"
done
udevadm settle
for node in /sys/class/video4linux/video* /sys/bus/media/devices/media*; do
    echo "DECODERS node /dev/${node##*/}, $(cat "$node/name" "$node/model" 2> /dev/null)"
done
# Who says what is to be done comes and goes, and wants no echo.
stty -F /dev/ttyS1 -echo clocal
exec 3< /dev/ttyS1
# The hub asks once which decoders there are: on a board their drivers are loaded long before it starts.
systemctl restart keepsight.service
echo "DECODERS ready"
while read -r order <&3; do
    sh -c "$order" 2>&1
    echo "DECODERS did $order"
done
