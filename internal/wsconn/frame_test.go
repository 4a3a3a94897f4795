package wsconn

import (
	"encoding/binary"
	"testing"
)

func TestFrameSize(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		for _, masked := range []bool{false, true} {
			var header []byte
			switch {
			case n < 126:
				header = []byte{0x81, byte(n)}
			case n < 1<<16:
				header = binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(n))
			default:
				header = binary.BigEndian.AppendUint64([]byte{0x81, 127}, uint64(n))
			}
			if masked {
				header[1] |= 0x80
				header = append(header, 1, 2, 3, 4)
			}
			for i := range header {
				if _, ok := frameSize(header[:i]); ok {
					t.Errorf("%d bytes of a header of %d are enough", i, len(header))
				}
			}
			if size, ok := frameSize(header); !ok || size != int64(len(header)+n) {
				t.Errorf("frame of %d, masked %v: %d, %v", n, masked, size, ok)
			}
		}
	}
	if size, ok := frameSize([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); !ok || size <= 0 {
		t.Errorf("absurd length: %d, %v", size, ok)
	}
}
