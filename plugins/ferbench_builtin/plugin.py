"""What ferbench brings along; light, because discovery imports it for every command that names a component."""

from __future__ import annotations

from collections.abc import Iterable

import ferbench
from ferbench import Protocol

#: For datasets of posed faces without an official split.
_BY_PEOPLE = (
    Protocol(
        "people",
        train=("train",),
        test=("test",),
        group_by="subject",
        summary="no official split: test = a fifth of the people, by digest of their codes; nobody is on two sides",
    ),
    Protocol(
        "folds",
        train=("train", "test"),
        test=(),
        group_by="subject",
        summary="k-fold over everybody, nobody in two folds; needs data.fold",
    ),
)


_FER2013_PROTOCOLS = (
    Protocol(
        "official",
        train=("Training",),
        validation=("PublicTest",),
        test=("PrivateTest",),
        summary="validation = PublicTest, test = PrivateTest, as the challenge had it",
    ),
    Protocol(
        "merged",
        train=("Training",),
        test=("PublicTest", "PrivateTest"),
        summary="test = PublicTest and PrivateTest together, validation cut from train",
    ),
    Protocol(
        "public-test",
        train=("Training",),
        test=("PublicTest",),
        summary="test = PublicTest, validation cut from train",
    ),
)


@ferbench.hookimpl
def ferbench_datasets() -> Iterable[ferbench.DatasetSpec]:
    yield ferbench.DatasetSpec(
        "fer2013",
        build="ferbench_builtin.datasets.fer2013:fer2013",
        summary="FER2013: 35,887 gray 48×48 faces, seven expressions; CSV, Kaggle folders or three folders",
        protocols=_FER2013_PROTOCOLS,
    )
    yield ferbench.DatasetSpec(
        "fer-plus",
        build="ferbench_builtin.datasets.fer_plus:fer_plus",
        summary="FER+: FER2013's pictures with ten annotators' votes each, eight expressions",
        protocols=_FER2013_PROTOCOLS,
    )
    yield ferbench.DatasetSpec(
        "folder",
        build="ferbench_builtin.datasets.folder:folder",
        summary="Any tree of <split>/<class>/<image>",
        protocols=(
            Protocol(
                "folders",
                train=("train",),
                validation=("validation",),
                test=("test",),
                cut_if_missing=True,
                summary="the folders as they are; validation cut from train where there is no such folder",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "csv",
        build="ferbench_builtin.datasets.csv_faces:csv_faces",
        summary="Images that a CSV file lists with labels; optional split, valence, arousal, subject, clip",
        protocols=(
            Protocol(
                "split",
                train=("train",),
                validation=("validation",),
                test=("test",),
                cut_if_missing=True,
                summary="the file's split column; validation cut from train where no row is for validation",
            ),
            Protocol("folds", train=("train",), test=(), summary="k-fold over the train rows; needs data.fold"),
        ),
    )
    yield ferbench.DatasetSpec(
        "affectnet",
        build="ferbench_builtin.datasets.affectnet:affectnet",
        summary="AffectNet: eight expressions, valence and arousal; train_set and val_set, or the older tables",
        protocols=(
            Protocol(
                "validation-as-test",
                train=("train",),
                test=("validation",),
                summary="test = the published validation set (the test set is not public); validation cut from train",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "raf-db",
        build="ferbench_builtin.datasets.raf_db:raf_db",
        summary="RAF-DB, basic set: 15,339 faces, seven expressions; the authors' files or Kaggle's copy",
        protocols=(
            Protocol(
                "official",
                train=("train",),
                test=("test",),
                summary="the authors' train and test; validation cut from train",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "ck-plus",
        build="ferbench_builtin.datasets.ck_plus:ck_plus",
        summary="CK+: posed sequences from neutral to the peak; the authors' files, class folders or ckextended.csv",
        protocols=(
            *_BY_PEOPLE,
            Protocol(
                "usage",
                train=("Training",),
                validation=("PublicTest",),
                test=("PrivateTest",),
                summary="ckextended.csv as it was split: one person is in several parts, scores are too high",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "jaffe",
        build="ferbench_builtin.datasets.jaffe:jaffe",
        summary="JAFFE: 213 posed faces of ten Japanese women, seven expressions",
        protocols=_BY_PEOPLE,
    )
    yield ferbench.DatasetSpec(
        "kdef",
        build="ferbench_builtin.datasets.kdef:kdef",
        summary="KDEF: 70 people pose seven expressions, seen from five angles",
        protocols=_BY_PEOPLE,
    )
    yield ferbench.DatasetSpec(
        "expw",
        build="ferbench_builtin.datasets.expw:expw",
        summary="ExpW: 91,793 faces in photos from web searches, seven expressions, cut out by their boxes",
        protocols=(
            Protocol(
                "photos",
                train=("train",),
                test=("test",),
                group_by="clip",
                summary="no official split, nobody's name: test = a fifth of the photos, by digest of the file name",
            ),
            Protocol(
                "folds",
                train=("train", "test"),
                test=(),
                group_by="clip",
                summary="k-fold over all photos, the faces of one stay together; needs data.fold",
            ),
        ),
    )
    yield ferbench.DatasetSpec(
        "synthetic-faces",
        build="ferbench_builtin.datasets.synthetic_faces:synthetic_faces",
        summary="Rendered faces with known expressions, for demonstrations and tests",
        protocols=(
            Protocol(
                "generated",
                train=("train",),
                test=("test",),
                summary="train and test show different people; validation cut from train",
            ),
        ),
        needs_path=False,
        synthetic=True,
    )


#: What a model gives with a classifier of `ferbench_builtin.models.heads`, and one that ends in the mean of its maps.
_HEADED = ("features", "classifier", "cosine")
_MAPPED = (*_HEADED, "maps")

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # what timm's augreg transformers were trained with

_NAMED_BACKBONES = (
    ("resnet18", "resnet18", "ResNet-18 (He et al. 2016), from timm", _MAPPED, *_IMAGENET),
    ("resnet34", "resnet34", "ResNet-34 (He et al. 2016), from timm", _MAPPED, *_IMAGENET),
    ("resnet50", "resnet50", "ResNet-50 (He et al. 2016), from timm", _MAPPED, *_IMAGENET),
    ("efficientnet-b0", "efficientnet_b0", "EfficientNet-B0 (Tan and Le 2019), from timm", _MAPPED, *_IMAGENET),
    ("vit-tiny", "vit_tiny", "ViT-Ti/16 (Touvron et al. 2021), from timm", _HEADED, *_HALVES),
    ("vit-small", "vit_small", "ViT-S/16 (Touvron et al. 2021), from timm", _HEADED, *_HALVES),
)


@ferbench.hookimpl
def ferbench_preprocessing() -> Iterable[ferbench.PreprocessingSpec]:
    yield ferbench.PreprocessingSpec(
        "equalize",
        build="ferbench_builtin.preprocessing.equalize:equalize",
        summary="Histogram equalisation of each image's luma",
    )
    yield ferbench.PreprocessingSpec(
        "centre-crop",
        build="ferbench_builtin.preprocessing.centre_crop:centre_crop",
        summary="The middle of each image, without its margins",
    )


@ferbench.hookimpl
def ferbench_models() -> Iterable[ferbench.ModelSpec]:
    yield ferbench.ModelSpec(
        "basic-cnn",
        build="ferbench_builtin.models.basic_cnn:basic_cnn",
        summary="Three convolutions and three dense layers, 118,531 parameters at three classes",
        image_size=64,
        image_sizes=(48, 96),
        channels=1,
        affect=True,
        gives=_HEADED,
    )
    yield ferbench.ModelSpec(
        "resnet18-small",
        build="ferbench_builtin.models.resnet18_small:resnet18_small",
        summary="ResNet-18 with a 3×3 stem of stride 1 and no stem pooling, for small images",
        image_size=64,
        image_sizes=(48, 96),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        affect=True,
        gives=_MAPPED,
    )
    yield ferbench.ModelSpec(
        "cnn4",
        build="ferbench_builtin.models.cnn4:cnn4",
        summary="Four blocks of convolution, ReLU, batch norm, max-pooling and dropout, then a dense layer",
        image_size=48,
        image_sizes=(32, 64),
        channels=1,
        affect=True,
        gives=_MAPPED,
    )
    yield ferbench.ModelSpec(
        "vggnet-fer",
        build="ferbench_builtin.models.vggnet_fer:vggnet_fer",
        summary="VGG of four two-convolution stages, as Khaireddin and Chen (2021) trained it on FER2013",
        image_size=48,
        image_sizes=(64,),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        affect=True,
        gives=_HEADED,
    )
    yield ferbench.ModelSpec(
        "resnet9",
        build="ferbench_builtin.models.resnet9:resnet9",
        summary="ResNet-9: a residual network for training in minutes, on images of any size",
        image_size=48,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        affect=True,
        gives=_MAPPED,
    )
    yield ferbench.ModelSpec(
        "linear",
        build="ferbench_builtin.models.linear:linear",
        summary="Softmax regression on the pixels: the floor that a network has to beat",
        image_size=48,
        image_sizes=(64, 96),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        affect=True,
        gives=("features", "classifier"),
    )
    yield ferbench.ModelSpec(
        "timm",
        build="ferbench_builtin.models.timm_backbone:timm_model",
        summary="Any backbone of timm, by model.backbone; it normalises its images itself",
        image_size=224,
        channels=3,
        affect=True,
        gives=_MAPPED,
    )
    yield ferbench.ModelSpec(
        "dan",
        build="ferbench_builtin.models.dan:dan",
        summary="DAN (Wen et al. 2023): ResNet-18 with four heads of attention; its loss is dan",
        image_size=224,
        channels=3,
        mean=_IMAGENET[0],
        std=_IMAGENET[1],
        affect=True,
        gives=(*_HEADED, "pooled", "heads"),
    )
    yield ferbench.ModelSpec(
        "poster-like",
        build="ferbench_builtin.models.poster_like:poster_like",
        summary="Two streams with cross-attention, after POSTER (Zheng et al. 2023), without its pretrained networks",
        image_size=48,
        image_sizes=(64, 112),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        affect=True,
        gives=_HEADED,
    )
    for name, backbone, summary, gives, mean, std in _NAMED_BACKBONES:
        yield ferbench.ModelSpec(
            name,
            build=f"ferbench_builtin.models.named_backbones:{backbone}",
            summary=summary,
            image_size=224,
            channels=3,
            mean=mean,
            std=std,
            affect=True,
            gives=gives,
        )


@ferbench.hookimpl
def ferbench_estimators() -> Iterable[ferbench.EstimatorSpec]:
    trusted = tuple(
        f"ferbench_builtin.estimators.parts.{name}" for name in ("Weighted", "Contrast", "Hog", "LocalBinaryPatterns")
    )
    yield ferbench.EstimatorSpec(
        "eigenfaces-svm",
        build="ferbench_builtin.estimators.components:eigenfaces_svm",
        summary="Support vector machine with a Gaussian kernel on principal components of the pixels",
        image_size=48,
        trusted=trusted,
    )
    yield ferbench.EstimatorSpec(
        "hog-svm",
        build="ferbench_builtin.estimators.textures:hog_svm",
        summary="Linear support vector machine on histograms of oriented gradients; needs ferbench[classical]",
        image_size=48,
        trusted=trusted,
    )
    yield ferbench.EstimatorSpec(
        "lbp-svm",
        build="ferbench_builtin.estimators.textures:lbp_svm",
        summary="Linear support vector machine on local binary patterns; needs ferbench[classical]",
        image_size=48,
        trusted=trusted,
    )
    yield ferbench.EstimatorSpec(
        "logistic",
        build="ferbench_builtin.estimators.components:logistic",
        summary="Logistic regression on principal components of the pixels",
        image_size=48,
        trusted=trusted,
    )
    yield ferbench.EstimatorSpec(
        "random-forest",
        build="ferbench_builtin.estimators.forest:random_forest",
        summary="Random forest on the pixels",
        image_size=48,
    )
    yield ferbench.EstimatorSpec(
        "gradient-boosting",
        build="ferbench_builtin.estimators.components:gradient_boosting",
        summary="Gradient boosting of trees on principal components of the pixels",
        image_size=48,
        trusted=trusted,
    )


@ferbench.hookimpl
def ferbench_losses() -> Iterable[ferbench.LossSpec]:
    yield ferbench.LossSpec(
        "cross-entropy",
        build="ferbench_builtin.losses.cross_entropy:cross_entropy",
        summary="Cross-entropy with optional label smoothing",
    )
    yield ferbench.LossSpec(
        "weighted-cross-entropy",
        build="ferbench_builtin.losses.weighted_cross_entropy:weighted_cross_entropy",
        summary="Cross-entropy that counts rare, or named, classes more",
    )
    yield ferbench.LossSpec(
        "focal",
        build="ferbench_builtin.losses.focal:focal",
        summary="Focal loss: what the model is sure of counts less",
    )
    yield ferbench.LossSpec(
        "logit-adjusted",
        build="ferbench_builtin.losses.logit_adjusted:logit_adjusted",
        summary="Cross-entropy of logits shifted by how frequent classes are (Menon et al. 2021)",
    )
    yield ferbench.LossSpec(
        "balanced-softmax",
        build="ferbench_builtin.losses.logit_adjusted:balanced_softmax",
        summary="Softmax weighed by class counts (Ren et al. 2020); logit-adjusted at tau = 1",
    )
    yield ferbench.LossSpec(
        "ldam",
        build="ferbench_builtin.losses.ldam:ldam",
        summary="Wider margins for rarer classes, class weights late (LDAM-DRW, Cao et al. 2019)",
        needs=("cosine",),
    )
    yield ferbench.LossSpec(
        "class-balanced-focal",
        build="ferbench_builtin.losses.class_balanced_focal:class_balanced_focal",
        summary="Focal loss over sigmoids, weighed by effective numbers (Cui et al. 2019)",
    )
    yield ferbench.LossSpec(
        "generalised-cross-entropy",
        build="ferbench_builtin.losses.generalised_cross_entropy:generalised_cross_entropy",
        summary="Between cross-entropy and absolute error, for noisy labels (Zhang and Sabuncu 2018)",
    )
    yield ferbench.LossSpec(
        "symmetric-cross-entropy",
        build="ferbench_builtin.losses.symmetric_cross_entropy:symmetric_cross_entropy",
        summary="Cross-entropy and its reverse, for noisy labels (Wang et al. 2019)",
    )
    yield ferbench.LossSpec(
        "poly",
        build="ferbench_builtin.losses.poly:poly",
        summary="Cross-entropy with another first coefficient (Poly-1, Leng et al. 2022)",
    )
    yield ferbench.LossSpec(
        "elr",
        build="ferbench_builtin.losses.elr:elr",
        summary="Early-learning regularisation: remembers what was predicted, for noisy labels (Liu et al. 2020)",
    )
    yield ferbench.LossSpec(
        "soft-cross-entropy",
        build="ferbench_builtin.losses.soft_cross_entropy:soft_cross_entropy",
        summary="Cross-entropy with label distributions such as annotators' votes",
    )
    yield ferbench.LossSpec(
        "distillation",
        build="ferbench_builtin.losses.distillation:distillation",
        summary="Learns from a teacher's softened predictions beside the labels",
        needs=("teacher",),
    )
    yield ferbench.LossSpec(
        "mean-teacher",
        build="ferbench_builtin.losses.mean_teacher:MeanTeacher",
        summary="Agrees with a teacher about another view of each image (Tarvainen and Valpola 2017)",
        needs=("teacher",),
        views=("drawn", "drawn"),
    )
    yield ferbench.LossSpec(
        "multi-target",
        build="ferbench_builtin.losses.multi_target:multi_target",
        summary="FER+'s loss for pictures with several expressions: the likeliest of them counts",
    )
    yield ferbench.LossSpec(
        "multi-task",
        build="ferbench_builtin.losses.multi_task:multi_task",
        summary="Expression, valence and arousal together",
    )
    yield ferbench.LossSpec(
        "dan",
        build="ferbench_builtin.losses.dan:dan",
        summary="Cross-entropy, affinity to class centres, and attention that is not alike, for the model dan",
        needs=("features", "pooled", "heads"),
    )
    yield ferbench.LossSpec(
        "centre",
        build="ferbench_builtin.losses.centre:centre",
        summary="Features of a class stay near a centre (Wen et al. 2016)",
        needs=("features",),
    )
    yield ferbench.LossSpec(
        "island",
        build="ferbench_builtin.losses.island:island",
        summary="Centre loss whose centres turn away from each other (Cai et al. 2018)",
        needs=("features",),
    )
    yield ferbench.LossSpec(
        "arcface",
        build="ferbench_builtin.losses.angular_margins:arcface",
        summary="A margin of the angle to the true class (Deng et al. 2019)",
        needs=("cosine",),
    )
    yield ferbench.LossSpec(
        "cosface",
        build="ferbench_builtin.losses.angular_margins:cosface",
        summary="A margin of the cosine with the true class (Wang et al. 2018)",
        needs=("cosine",),
    )
    yield ferbench.LossSpec(
        "supervised-contrastive",
        build="ferbench_builtin.losses.supervised_contrastive:supervised_contrastive",
        summary="Cross-entropy, and two views of images of one class are alike (Khosla et al. 2020)",
        needs=("features",),
        views=("drawn", "drawn"),
    )
    yield ferbench.LossSpec(
        "scn",
        build="ferbench_builtin.losses.scn:scn",
        summary="Samples learn how much they count, doubtful labels are changed (SCN, Wang et al. 2020)",
        needs=("features",),
    )
    yield ferbench.LossSpec(
        "rul",
        build="ferbench_builtin.losses.rul:rul",
        summary="Mixes features by how uncertain they are relative to each other (RUL, Zhang et al. 2021)",
        needs=("features", "classifier"),
    )
    yield ferbench.LossSpec(
        "eac",
        build="ferbench_builtin.losses.eac:eac",
        summary="A face and its mirror image are looked at in the same places (EAC, Zhang et al. 2022)",
        needs=("maps", "classifier"),
        views=("drawn", "mirrored"),
    )


@ferbench.hookimpl
def ferbench_samplers() -> Iterable[ferbench.SamplerSpec]:
    yield ferbench.SamplerSpec(
        "shuffled",
        build="ferbench_builtin.samplers.shuffled:Shuffled",
        summary="Every training sample once an epoch, in a new order each time",
    )
    yield ferbench.SamplerSpec(
        "balanced",
        build="ferbench_builtin.samplers.balanced:Balanced",
        summary="Every class equally often",
    )
    yield ferbench.SamplerSpec(
        "weighted",
        build="ferbench_builtin.samplers.weighted:Weighted",
        summary="Draws with fixed weights: by a power of the class size, or by class name",
    )
    yield ferbench.SamplerSpec(
        "adaptive",
        build="ferbench_builtin.samplers.adaptive:Adaptive",
        summary="After each epoch, more of the classes with the lowest F1",
    )
    yield ferbench.SamplerSpec(
        "adaptive-smooth",
        build="ferbench_builtin.samplers.adaptive:AdaptiveSmooth",
        summary="Weights that follow 1 − F1 smoothly over the epochs",
    )
    yield ferbench.SamplerSpec(
        "hard-examples",
        build="ferbench_builtin.samplers.hard_examples:HardExamples",
        summary="More of the samples with the largest loss in the epoch before",
        per_sample=True,
    )
    yield ferbench.SamplerSpec(
        "self-paced",
        build="ferbench_builtin.samplers.self_paced:SelfPaced",
        summary="The samples with the smallest loss first, more of them from epoch to epoch",
        per_sample=True,
    )
    yield ferbench.SamplerSpec(
        "class-batches",
        build="ferbench_builtin.samplers.class_batches:ClassBatches",
        summary="Every batch has so many classes with so many samples each",
    )


@ferbench.hookimpl
def ferbench_augmentations() -> Iterable[ferbench.AugmentationSpec]:
    yield ferbench.AugmentationSpec(
        "none",
        build="ferbench_builtin.augmentations.none:none",
        summary="Resize to the model's input, nothing else",
    )
    yield ferbench.AugmentationSpec(
        "standard",
        build="ferbench_builtin.augmentations.standard:Standard",
        summary="Flip, rotation and zoom; shift, crop, perspective, light, colour and random erasing as options",
    )
    yield ferbench.AugmentationSpec(
        "shifted",
        build="ferbench_builtin.augmentations.presets:shifted",
        summary="Flip, rotation, zoom and shift",
    )
    yield ferbench.AugmentationSpec(
        "crop-jitter",
        build="ferbench_builtin.augmentations.presets:crop_jitter",
        summary="Random crop, flip, rotation and colour jitter",
    )
    yield ferbench.AugmentationSpec(
        "crop-jitter-erase",
        build="ferbench_builtin.augmentations.presets:crop_jitter_erase",
        summary="The same with perspective and random erasing",
    )


@ferbench.hookimpl
def ferbench_optimizers() -> Iterable[ferbench.OptimizerSpec]:
    yield ferbench.OptimizerSpec("adam", build="ferbench_builtin.optimizers.adam:adam", summary="Adam")
    yield ferbench.OptimizerSpec(
        "adamw",
        build="ferbench_builtin.optimizers.adamw:adamw",
        summary="Adam with decoupled weight decay",
    )
    yield ferbench.OptimizerSpec(
        "sgd",
        build="ferbench_builtin.optimizers.sgd:sgd",
        summary="Stochastic gradient descent with momentum, Nesterov's too",
    )
    yield ferbench.OptimizerSpec(
        "timm",
        build="ferbench_builtin.optimizers.timm_optimizers:timm_optimizer",
        summary="Any optimiser of timm, by optimizer.algorithm",
    )
    yield ferbench.OptimizerSpec(
        "sam",
        build="ferbench_builtin.optimizers.sam:sam",
        summary="Sharpness-aware minimisation over SGD, Adam or AdamW; two passes a step",
        closure=True,
    )
    yield ferbench.OptimizerSpec(
        "asam",
        build="ferbench_builtin.optimizers.sam:asam",
        summary="Adaptive sharpness-aware minimisation, relative to the weights; two passes a step",
        closure=True,
    )


@ferbench.hookimpl
def ferbench_metrics() -> Iterable[ferbench.MetricSpec]:
    yield ferbench.MetricSpec(
        "vote-cross-entropy",
        build="ferbench_builtin.metrics.votes:vote_cross_entropy",
        summary="Mean cross-entropy of the probabilities against the shares of annotators' votes, in nats",
        higher_is_better=False,
        low=0.0,
        needs=("votes",),
    )
    yield ferbench.MetricSpec(
        "vote-kl",
        build="ferbench_builtin.metrics.votes:vote_kl",
        summary="Mean Kullback-Leibler divergence from the shares of annotators' votes, in nats",
        higher_is_better=False,
        low=0.0,
        needs=("votes",),
    )
    yield ferbench.MetricSpec(
        "vote-js",
        build="ferbench_builtin.metrics.votes:vote_js",
        summary="Mean Jensen-Shannon divergence from the shares of annotators' votes, in nats",
        higher_is_better=False,
        low=0.0,
        high=0.6931471805599454,
        needs=("votes",),
    )
    yield ferbench.MetricSpec(
        "vote-top-2",
        build="ferbench_builtin.metrics.votes:vote_top_2",
        summary="How often the predicted class is one of the two with most votes",
        low=0.0,
        high=1.0,
        needs=("votes",),
    )
    yield ferbench.MetricSpec(
        "entropy-disagreement",
        build="ferbench_builtin.metrics.votes:entropy_disagreement",
        summary="Spearman correlation of predictive entropy with the entropy of annotators' votes",
        low=-1.0,
        high=1.0,
        needs=("votes",),
    )
    yield ferbench.MetricSpec(
        "worst-subject-accuracy",
        build="ferbench_builtin.metrics.subjects:worst_subject_accuracy",
        summary="Lowest accuracy over the people with at least five samples",
        low=0.0,
        high=1.0,
        interval="none",
        needs=("subjects",),
    )


@ferbench.hookimpl
def ferbench_schedules() -> Iterable[ferbench.ScheduleSpec]:
    yield ferbench.ScheduleSpec(
        "constant",
        build="ferbench_builtin.schedules.constant:constant",
        summary="The optimiser's learning rate throughout",
    )
    yield ferbench.ScheduleSpec(
        "exponential",
        build="ferbench_builtin.schedules.decay:exponential",
        summary="Exponential decay, smooth or after whole periods",
    )
    yield ferbench.ScheduleSpec(
        "step",
        build="ferbench_builtin.schedules.decay:step_decay",
        summary="Steps down every so many epochs, or at milestones",
    )
    yield ferbench.ScheduleSpec(
        "linear",
        build="ferbench_builtin.schedules.decay:linear",
        summary="A line down to a share of the rate",
    )
    yield ferbench.ScheduleSpec(
        "cosine",
        build="ferbench_builtin.schedules.cosine:cosine",
        summary="Cosine annealing over the whole run",
    )
    yield ferbench.ScheduleSpec(
        "cosine-restarts",
        build="ferbench_builtin.schedules.cosine:cosine_restarts",
        summary="Cosine annealing with warm restarts",
    )
    yield ferbench.ScheduleSpec(
        "one-cycle",
        build="ferbench_builtin.schedules.cosine:one_cycle",
        summary="One rise to the rate and one long fall",
    )
    yield ferbench.ScheduleSpec(
        "plateau",
        build="ferbench_builtin.schedules.plateau:Plateau",
        summary="Lowers the rate when a validation metric stops to improve",
    )


@ferbench.hookimpl
def ferbench_postprocessing() -> Iterable[ferbench.PostprocessingSpec]:
    yield ferbench.PostprocessingSpec(
        "temperature",
        build="ferbench_builtin.postprocessing.temperature:Temperature",
        summary="One temperature for all logits, fitted on validation",
    )
    yield ferbench.PostprocessingSpec(
        "logit-adjustment",
        build="ferbench_builtin.postprocessing.logit_adjustment:logit_adjustment",
        summary="Logits less the logarithm of each class's share of the training samples",
    )


@ferbench.hookimpl
def ferbench_commands() -> Iterable[ferbench.CommandSpec]:
    yield ferbench.CommandSpec(
        "draw-faces",
        build="ferbench_builtin.commands.draw_faces:draw_faces",
        summary="Write faces of people who do not exist into a folder.",
    )


@ferbench.hookimpl
def ferbench_report_sections() -> Iterable[ferbench.ReportSectionSpec]:
    yield ferbench.ReportSectionSpec(
        "adaptive-focus",
        build="ferbench_builtin.report_sections.focus:focus",
        title="Adaptive sampling",
        summary="Which classes adaptive sampling turned to, and what became of them",
    )
