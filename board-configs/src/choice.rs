//! The words a key may be set to, each list as one enum.

use crate::key::{Accepts, Value};
use std::fmt::{self, Display, Formatter};
use toml::de::DeValue;

macro_rules! choice {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])+ #[doc = concat!(" Written `\"", $word, "\"`.")] $variant,)+
        }

        impl $name {
            /// Every accepted word.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word that stands for it in a board file.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The choice a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl Value for $name {
            fn from_toml(value: &DeValue<'_>, _: &Accepts) -> Option<Self> {
                value.as_str().and_then(Self::from_word)
            }

            fn to_toml(&self) -> String {
                format!("\"{self}\"")
            }
        }
    };
}

choice! {
    /// Where frames come from.
    CameraKind {
        /// A Video4Linux2 device.
        V4l2 = "v4l2",
        /// A recorded clip or a folder of pictures.
        File = "file",
    }
}

choice! {
    /// The level of a pin.
    LevelChoice {
        /// Near ground.
        Low = "low",
        /// Near the supply.
        High = "high",
    }
}

choice! {
    /// Which faces are followed when there are more than can be.
    FirstChoice {
        /// The largest: those who are near.
        Largest = "largest",
        /// Those nearest to the middle of the picture.
        Central = "central",
    }
}

choice! {
    /// Who decides that a new version stays.
    ConfirmChoice {
        /// The board, after a good self-test.
        SelfTest = "self-test",
        /// The user, by `mtcae confirm`.
        User = "user",
    }
}

choice! {
    /// A camera's pixel format, by its V4L2 four-character code.
    PixelFormat {
        /// Motion JPEG.
        Mjpg = "MJPG",
        /// Packed 4:2:2 YUV.
        Yuyv = "YUYV",
        /// The same in another order.
        Uyvy = "UYVY",
        /// 4:2:0 YUV in two planes.
        Nv12 = "NV12",
        /// Luma alone.
        Grey = "GREY",
        /// Raw, 8 bits, red first.
        Rggb8 = "RGGB",
        /// Raw, 8 bits, red second.
        Grbg8 = "GRBG",
        /// Raw, 8 bits, red third.
        Gbrg8 = "GBRG",
        /// Raw, 8 bits, red last.
        Bggr8 = "BA81",
        /// Raw, 10 bits in two bytes, red first.
        Rggb10 = "RG10",
        /// Raw, 10 bits in two bytes, red second.
        Grbg10 = "BA10",
        /// Raw, 10 bits in two bytes, red third.
        Gbrg10 = "GB10",
        /// Raw, 10 bits in two bytes, red last.
        Bggr10 = "BG10",
        /// Raw, 10 bits packed, red first.
        Rggb10Packed = "pRAA",
        /// Raw, 10 bits packed, red second.
        Grbg10Packed = "pgAA",
        /// Raw, 10 bits packed, red third.
        Gbrg10Packed = "pGAA",
        /// Raw, 10 bits packed, red last.
        Bggr10Packed = "pBAA",
        /// Raw, 12 bits in two bytes, red first.
        Rggb12 = "RG12",
        /// Raw, 12 bits in two bytes, red second.
        Grbg12 = "BA12",
        /// Raw, 12 bits in two bytes, red third.
        Gbrg12 = "GB12",
        /// Raw, 12 bits in two bytes, red last.
        Bggr12 = "BG12",
        /// Raw, 12 bits packed, red first.
        Rggb12Packed = "pRCC",
        /// Raw, 12 bits packed, red second.
        Grbg12Packed = "pgCC",
        /// Raw, 12 bits packed, red third.
        Gbrg12Packed = "pGCC",
        /// Raw, 12 bits packed, red last.
        Bggr12Packed = "pBCC",
    }
}

choice! {
    /// Mains frequency of the lamps.
    MainsChoice {
        /// Not known; the camera's own setting stays.
        Auto = "auto",
        /// 50 Hz.
        Hz50 = "50hz",
        /// 60 Hz.
        Hz60 = "60hz",
    }
}

choice! {
    /// Number format of the model file to run.
    PrecisionChoice {
        /// The fastest the engine runs well, of those the model has.
        Auto = "auto",
        /// 32-bit floats.
        Fp32 = "fp32",
        /// 16-bit floats.
        Fp16 = "fp16",
        /// 8-bit linear layers.
        Int8 = "int8",
    }
}

choice! {
    /// What runs the network. A named engine that is not there is a start-up error.
    EngineChoice {
        /// CUDA where it works, else tract.
        Auto = "auto",
        /// ONNX Runtime on CUDA.
        Cuda = "cuda",
        /// ONNX Runtime on TensorRT; builds its engine for minutes at each start, so only by name.
        Tensorrt = "tensorrt",
        /// ONNX Runtime on the CPU.
        CpuOrt = "cpu-ort",
        /// tract on the CPU; always there.
        Tract = "tract",
    }
}

choice! {
    /// Where messages go.
    SinkName {
        /// A serial line.
        Serial = "serial",
        /// One JSON object a line on the standard output.
        Stdout = "stdout",
        /// A TCP port, for clients that are known by their key.
        Tcp = "tcp",
        /// An MQTT broker.
        Mqtt = "mqtt",
    }
}

impl Value for Vec<PixelFormat> {
    fn from_toml(value: &DeValue<'_>, _: &Accepts) -> Option<Self> {
        let list = value.as_array()?;
        let mut formats = Vec::new();
        for item in list.iter() {
            let format = item.get_ref().as_str().and_then(PixelFormat::from_word)?;
            if formats.contains(&format) {
                return None;
            }
            formats.push(format);
        }
        (!formats.is_empty()).then_some(formats)
    }

    fn to_toml(&self) -> String {
        format!("[{}]", self.iter().map(Value::to_toml).collect::<Vec<_>>().join(", "))
    }
}
