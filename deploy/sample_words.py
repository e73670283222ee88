"""Words of the sample catalogue: what a shop of each kind sells, and what can truly be said of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of thing: its forms, what it is made of, and sentences that fit every one of them."""

    name: str
    forms: tuple[str, ...]
    about: tuple[str, ...]
    use: tuple[str, ...]
    price: tuple[int, int]
    """Lowest and highest price, in whole units."""
    tags: tuple[str, ...]
    looks: tuple[str, ...] = ()
    """What tells two of this kind apart, where the category's own looks do not fit it."""


@dataclass(frozen=True)
class Category:
    name: str
    picture: str
    color: str
    brands: tuple[str, ...]
    looks: tuple[str, ...]
    """Colours, origins or scents: what tells two of a kind apart."""
    care: tuple[str, ...]
    kinds: tuple[Kind, ...]
    is_named: bool = False
    """Whether the looks are names, which keep their capitals within a sentence."""


CATEGORIES: tuple[Category, ...] = (
    Category(
        "Coffee",
        "coffee.jpg",
        "#6f4e37",
        ("Kesselhaus Roasters", "Third Street Coffee", "Bergblick Kaffee"),
        (
            "Huehuetenango",
            "Yirgacheffe",
            "Sidamo",
            "Nyeri",
            "Huila",
            "Antigua",
            "Cerrado",
            "Monsooned Malabar",
            "Tarrazú",
            "Kivu",
            "Sumatra Lintong",
            "Chiapas",
        ),
        (
            "Best within six weeks of the roasting date.",
            "Keep it dry and dark, not in the fridge.",
            "Ground for your brewer if you tell us which one you use.",
        ),
        (
            Kind(
                "Espresso Beans",
                ("250 g", "500 g", "1 kg"),
                (
                    "{look} beans, roasted slowly until the acidity is gentle and the crema thick.",
                    "A dark roast of {look} with notes of cocoa and toasted hazelnut.",
                ),
                ("Made for espresso machines and moka pots.", "Holds its own in a cappuccino."),
                (9, 34),
                ("espresso", "beans", "darkroast"),
            ),
            Kind(
                "Filter Coffee",
                ("250 g", "500 g", "1 kg"),
                (
                    "A light roast of {look}: floral in the cup, with a finish of stone fruit.",
                    "{look} from one single farm, washed and dried on raised beds.",
                ),
                ("Brews clean in a V60, a Chemex or a plain paper filter.", "Lovely black, and just as good iced."),
                (9, 36),
                ("filtercoffee", "beans", "singleorigin"),
            ),
            Kind(
                "Decaf",
                ("250 g", "500 g"),
                (
                    "{look} without the caffeine, taken out with water alone.",
                    "Full body and hardly any caffeine: {look}, decaffeinated with mountain water.",
                ),
                ("For the cup after dinner.", "So you can have a third one in the afternoon."),
                (10, 22),
                ("decaf", "beans"),
            ),
        ),
        is_named=True,
    ),
    Category(
        "Ceramics",
        "ceramics.jpg",
        "#7a9a9a",
        ("Tonwerk Lena Albrecht", "Clay & Co", "Studio Mareile"),
        (
            "Sea Green",
            "Oat White",
            "Cobalt Blue",
            "Speckled Sand",
            "Charcoal",
            "Rust",
            "Celadon",
            "Blush",
            "Moss",
            "Milk White",
        ),
        (
            "Goes into the dishwasher and the microwave.",
            "Every piece is thrown by hand, so no two are quite alike.",
            "Food-safe glaze, free of lead.",
        ),
        (
            Kind(
                "Mug",
                ("200 ml", "300 ml", "400 ml"),
                (
                    "A stoneware mug in {look}, with a handle that takes three fingers.",
                    "Wheel-thrown mug, dipped by hand in a {look} glaze.",
                ),
                ("Keeps tea warm for the length of a chapter.", "Sits well in the hand on a cold morning."),
                (16, 32),
                ("mug", "handmade", "stoneware"),
            ),
            Kind(
                "Bowl",
                ("Small", "Medium", "Large"),
                (
                    "A deep stoneware bowl in {look}, glazed inside and raw at the foot.",
                    "Generous bowl with a soft rim, glazed in {look}.",
                ),
                ("For ramen, porridge or a salad for one.", "Looks good on the table even when it is empty."),
                (18, 58),
                ("bowl", "handmade", "tableware"),
            ),
            Kind(
                "Dinner Plate",
                ("24 cm", "27 cm"),
                ("A flat plate in {look} with a slightly raised edge.", "Stoneware plate, glazed twice in {look}."),
                ("Stacks neatly with its siblings.", "Made for everyday meals, handsome enough for guests."),
                (22, 42),
                ("plate", "tableware", "stoneware"),
            ),
            Kind(
                "Vase",
                ("14 cm", "22 cm", "30 cm"),
                (
                    "A slender vase in {look} that holds a single branch upright.",
                    "Rounded vase with a narrow neck, glazed in {look}.",
                ),
                ("Watertight, for fresh and dried flowers alike.", "A quiet piece for the window sill."),
                (26, 88),
                ("vase", "handmade", "interior"),
            ),
        ),
    ),
    Category(
        "Clothing",
        "clothing.jpg",
        "#39506b",
        ("Nordlicht", "Atelier Brise", "Common Thread"),
        (
            "Navy",
            "Ecru",
            "Forest Green",
            "Terracotta",
            "Heather Grey",
            "Black",
            "Mustard",
            "Dusty Rose",
            "Burgundy",
            "Sky Blue",
        ),
        (
            "Machine wash at 30 degrees.",
            "Made in Portugal in a workshop of eleven people.",
            "Dry it flat and it keeps its shape.",
        ),
        (
            Kind(
                "Linen Shirt",
                ("Regular Fit", "Relaxed Fit"),
                (
                    "A shirt of washed European linen in {look}, with buttons of corozo nut.",
                    "Light linen in {look} that gets softer with every wash.",
                ),
                ("Cool on hot days, and better a little creased.", "Goes under a jacket or over a swimsuit."),
                (59, 99),
                ("linen", "shirt", "slowfashion"),
            ),
            Kind(
                "Merino Jumper",
                ("Crew Neck", "Roll Neck"),
                (
                    "Fine merino wool in {look}, knitted without side seams.",
                    "A jumper of extra-fine merino in {look} that does not itch.",
                ),
                ("Warm enough alone, thin enough for layers.", "One for the office and the weekend."),
                (79, 149),
                ("merino", "knitwear", "wool"),
            ),
            Kind(
                "Cotton T-Shirt",
                ("Classic", "Oversized"),
                (
                    "A heavy T-shirt of organic cotton in {look}.",
                    "Organic cotton in {look}, 220 grams to the square metre.",
                ),
                ("Keeps its collar after a hundred washes.", "The one you will reach for first."),
                (25, 45),
                ("organiccotton", "tshirt", "basics"),
            ),
            Kind(
                "Rain Jacket",
                ("Short", "Long"),
                (
                    "A waterproof jacket in {look} with taped seams and a hood that stays put.",
                    "Light rain jacket in {look}, made from recycled bottles.",
                ),
                ("Folds into its own pocket.", "For the ride to work when the forecast was wrong."),
                (99, 189),
                ("rainjacket", "outdoor", "recycled"),
            ),
            Kind(
                "Wool Scarf",
                ("Narrow", "Wide"),
                (
                    "A soft scarf of lambswool in {look}, woven on old looms.",
                    "Lambswool in {look} with hand-twisted fringes.",
                ),
                ("Wraps around twice.", "Makes a good present for people who are hard to please."),
                (35, 75),
                ("scarf", "lambswool", "winter"),
            ),
        ),
    ),
    Category(
        "Jewellery",
        "jewellery.jpg",
        "#b08d57",
        ("Goldstück Werkstatt", "Lune & Fils", "Petra Sommer"),
        (
            "Moonstone",
            "Freshwater Pearl",
            "Garnet",
            "Lapis",
            "Labradorite",
            "Rose Quartz",
            "Onyx",
            "Peridot",
            "Turquoise",
            "Citrine",
        ),
        (
            "Comes in a small linen pouch.",
            "Nickel-free, for skin that is easily upset.",
            "Polish it with a soft cloth now and then.",
        ),
        (
            Kind(
                "Necklace",
                ("Silver", "Gold-plated"),
                (
                    "A fine chain with a single {look} that catches the light.",
                    "A delicate necklace with a {look} pendant, set by hand.",
                ),
                ("Worn alone or layered with a longer one.", "Adjustable between 40 and 45 centimetres."),
                (39, 129),
                ("necklace", "handmade", "jewellery"),
            ),
            Kind(
                "Earrings",
                ("Studs", "Drops"),
                (
                    "Small earrings with a {look} in a plain setting.",
                    "Light earrings in which a {look} does all the talking.",
                ),
                ("You will forget that you are wearing them.", "From the meeting to the dinner without changing."),
                (29, 89),
                ("earrings", "handmade", "jewellery"),
            ),
            Kind(
                "Ring",
                ("Size 52", "Size 54", "Size 56"),
                ("A slim ring of recycled silver with a {look}.", "Hand-hammered ring, set with a {look}."),
                ("Sits flat, so gloves go over it.", "Stacks well with a plain band."),
                (45, 139),
                ("ring", "recycledsilver", "jewellery"),
            ),
        ),
    ),
    Category(
        "Toys",
        "toys.jpg",
        "#d98032",
        ("Holzwurm", "Little Harbour", "Spielwiese"),
        ("Fox", "Bear", "Hedgehog", "Whale", "Owl", "Rabbit", "Elephant", "Dinosaur", "Badger", "Otter"),
        (
            "Painted with water-based colours that are safe to chew.",
            "Tested to the European toy standard EN 71.",
            "Wipe it clean with a damp cloth.",
        ),
        (
            Kind(
                "Wooden Puzzle",
                ("9 pieces", "24 pieces", "48 pieces"),
                (
                    "A puzzle of beech wood that becomes a {look}.",
                    "Thick wooden pieces for small hands: at the end there is a {look}.",
                ),
                ("From three years on.", "For rainy afternoons."),
                (12, 34),
                ("puzzle", "wooden", "kids"),
            ),
            Kind(
                "Cuddly Toy",
                ("20 cm", "35 cm"),
                (
                    "A soft {look} of organic cotton, filled with wool.",
                    "A floppy {look} with long arms for carrying around.",
                ),
                ("From birth on.", "Survives the washing machine at 30 degrees."),
                (19, 44),
                ("cuddlytoy", "organiccotton", "baby"),
            ),
            Kind(
                "Pull-Along Toy",
                ("Natural", "Painted"),
                ("A wooden {look} that nods as it rolls along.", "A {look} on wheels of solid maple."),
                ("For first walkers who never come alone.", "From twelve months on."),
                (22, 39),
                ("wooden", "toddler", "toys"),
            ),
        ),
    ),
    Category(
        "Plants",
        "plants.jpg",
        "#4f7a4a",
        ("Grünzeug", "Potted", "Botanik am Hof"),
        (
            "Monstera",
            "Pilea",
            "Calathea",
            "String of Hearts",
            "Rubber Fig",
            "Peace Lily",
            "Snake Plant",
            "Boston Fern",
            "Aloe",
            "Philodendron",
        ),
        (
            "Sent in a box with air holes and a heat pack in winter.",
            "Arrives in its nursery pot.",
            "A card with care instructions comes along.",
        ),
        (
            Kind(
                "House Plant",
                ("in a 12 cm pot", "in a 17 cm pot", "in a 21 cm pot"),
                (
                    "A healthy {look}, grown in a nursery without peat.",
                    "A bushy {look} with many new leaves on the way.",
                ),
                ("Likes a bright place out of the midday sun.", "Water it when the top of the soil is dry."),
                (12, 59),
                ("houseplant", "urbanjungle", "peatfree"),
            ),
            Kind(
                "Cutting",
                ("single", "set of three"),
                (
                    "A rooted cutting of {look} from our own mother plants.",
                    "Young {look}, rooted in water and ready for soil.",
                ),
                ("Needs a little patience and rewards it.", "A cheap way to begin a collection."),
                (6, 18),
                ("cutting", "plantlover", "propagation"),
            ),
        ),
        is_named=True,
    ),
    Category(
        "Bicycles",
        "bicycles.jpg",
        "#8a3b3b",
        ("Radlager", "Pedal & Post", "Velowerk"),
        ("Matt Black", "Racing Green", "Cream", "Signal Red", "Slate", "Petrol", "Silver", "Copper"),
        (
            "Tried on our own way to work, every day of the year.",
            "Spare parts stay available for ten years.",
            "Two years of guarantee, and a person who answers the phone.",
        ),
        (
            Kind(
                "Bike Bell",
                ("Brass", "Aluminium"),
                (
                    "A bell in {look} with a clear, friendly tone that carries.",
                    "A small bell in {look} that nobody takes for a car alarm.",
                ),
                ("Fits handlebars from 22 to 32 millimetres.", "Heard without being rude."),
                (14, 39),
                ("bikebell", "cycling"),
            ),
            Kind(
                "Pannier",
                ("15 litres", "22 litres"),
                (
                    "A waterproof pannier in {look} with a roll closure.",
                    "A sturdy bag in {look} for the rack, welded rather than sewn.",
                ),
                ("Clicks on and off with one hand.", "Holds a week's shopping or a laptop and a change of clothes."),
                (59, 129),
                ("pannier", "bikepacking", "commuting"),
            ),
            Kind(
                "City Bike",
                ("50 cm", "55 cm", "60 cm"),
                (
                    "A light steel bicycle in {look} with eight gears and a belt instead of a chain.",
                    "An everyday bicycle in {look}, with dynamo lights and mudguards that do not rattle.",
                ),
                ("Comes assembled but for pedals and handlebars.", "Built for the town and for a long Sunday."),
                (690, 1390),
                ("citybike", "cycling", "steelbike"),
            ),
            Kind(
                "Helmet",
                ("S/M", "M/L"),
                (
                    "A well-aired helmet in {look} with a light at the back.",
                    "An unobtrusive helmet in {look} that weighs less than 300 grams.",
                ),
                ("Adjusts with one wheel.", "Certified to EN 1078."),
                (49, 119),
                ("helmet", "cycling", "safety"),
            ),
        ),
    ),
    Category(
        "Cosmetics",
        "cosmetics.jpg",
        "#a97c9b",
        ("Seifenhaus", "Maison Verte", "Tau & Tulsi"),
        (
            "Lavender",
            "Rosemary",
            "Orange Blossom",
            "Cedar",
            "Sea Buckthorn",
            "Chamomile",
            "Grapefruit",
            "Fennel",
            "Rose",
            "Unscented",
        ),
        (
            "Vegan, and never tested on animals.",
            "Without palm oil and without plastic.",
            "Packed in glass or paper that goes into the usual bins.",
        ),
        (
            Kind(
                "Bar Soap",
                ("100 g", "set of three"),
                (
                    "A cold-stirred soap, {look}, that rests for six weeks before it is cut.",
                    "Mild olive oil soap: {look}.",
                ),
                ("For hands, body and travel.", "Lasts about two months at the basin."),
                (6, 19),
                ("soap", "zerowaste", "naturalcosmetics"),
            ),
            Kind(
                "Face Oil",
                ("15 ml", "30 ml"),
                ("A light face oil, {look}, on a base of jojoba.", "Four oils and nothing else: {look}."),
                ("Two drops in the evening are enough.", "Sinks in without a shine."),
                (16, 38),
                ("faceoil", "skincare", "vegan"),
            ),
            Kind(
                "Hand Cream",
                ("30 ml", "75 ml"),
                (
                    "A rich hand cream with shea butter: {look}.",
                    "For gardeners, potters and everyone who washes up: {look}.",
                ),
                ("Does not leave fingerprints on the phone.", "The small tube fits every pocket."),
                (8, 18),
                ("handcream", "skincare"),
            ),
            Kind(
                "Solid Shampoo",
                ("60 g", "90 g"),
                (
                    "A shampoo bar that lathers like a bottle and leaves none behind: {look}.",
                    "Solid shampoo for every day: {look}.",
                ),
                ("Lasts for about fifty washes.", "No leaks in the suitcase."),
                (9, 15),
                ("shampoobar", "zerowaste", "haircare"),
            ),
        ),
    ),
    Category(
        "Stationery",
        "stationery.jpg",
        "#5d6f8c",
        ("Papierhof", "Marginalia", "Quill Street"),
        ("Midnight", "Fern", "Sand", "Poppy", "Fog", "Plum", "Saffron", "Ink Blue"),
        ("Printed with vegetable inks.", "Paper from forests that are replanted.", "Bound in Leipzig."),
        (
            Kind(
                "Notebook",
                ("A5 dotted", "A5 ruled", "A4 plain"),
                (
                    "A thread-bound notebook with a cloth cover in {look} that lies flat.",
                    "160 pages that take fountain pens well, bound in {look}.",
                ),
                ("For lists, sketches and the occasional poem.", "Two ribbons, one pocket."),
                (12, 28),
                ("notebook", "stationery", "bulletjournal"),
            ),
            Kind(
                "Year Planner",
                ("A5", "A4"),
                (
                    "A planner in {look} with a week on two pages and room for notes.",
                    "One calm page for each day, bound in {look}.",
                ),
                ("Begins in any month you like.", "Helps without nagging."),
                (19, 34),
                ("planner", "stationery"),
            ),
            Kind(
                "Card Set",
                ("6 cards", "12 cards"),
                (
                    "Folded cards with envelopes in {look}, letterpress-printed.",
                    "Blank cards in {look} for words of your own.",
                ),
                ("For thank-yous that are late.", "Good to have in the drawer."),
                (9, 22),
                ("cards", "letterpress"),
            ),
        ),
    ),
    Category(
        "Pantry",
        "pantry.jpg",
        "#9a7b2f",
        ("Vorrat & Söhne", "Olivar", "The Jam Press"),
        ("Apricot", "Fig", "Quince", "Plum", "Mango", "Pear", "Beetroot", "Tomato"),
        (
            "Made in small batches, so it may sell out.",
            "Keeps for a year unopened.",
            "No colouring and no preservatives.",
        ),
        (
            Kind(
                "Chutney",
                ("110 g", "220 g"),
                (
                    "A spoonful of {look} chutney turns bread and cheese into a meal.",
                    "{look} chutney, cooked slowly in a copper pot.",
                ),
                ("Try it with a mature Cheddar.", "Good with a curry, and straight from the jar."),
                (5, 12),
                ("chutney", "smallbatch", "foodie"),
            ),
            Kind(
                "Olive Oil",
                ("250 ml", "500 ml"),
                (
                    "Extra virgin oil from early olives, infused with {look}.",
                    "Cold-pressed olive oil with {look}, bottled in dark glass.",
                ),
                ("For finishing rather than frying.", "All a tomato needs."),
                (11, 26),
                ("oliveoil", "mediterranean"),
                ("Lemon", "Wild Garlic", "Chilli", "Rosemary", "Basil", "Bergamot", "Thyme", "Black Pepper"),
            ),
            Kind(
                "Granola",
                ("350 g", "750 g"),
                ("Oats baked golden with nuts, honey and {look}.", "Crunchy clusters with a hint of {look}."),
                (
                    "With yoghurt in the morning, by the handful at night.",
                    "Less sugar than the ones in the supermarket.",
                ),
                (7, 16),
                ("granola", "breakfast"),
                ("Apricot", "Cinnamon", "Cocoa", "Walnut", "Raspberry", "Coconut", "Ginger", "Maple"),
            ),
        ),
    ),
    Category(
        "Tea",
        "tea.jpg",
        "#6b7f3f",
        ("Teekontor Ebba", "Leaf & Ladle", "Höhenlage"),
        ("Assam", "Darjeeling", "Ceylon", "Nilgiri", "Keemun", "Yunnan", "Sencha", "Oolong"),
        (
            "Packed in a tin that closes tightly.",
            "From gardens that we visit ourselves.",
            "Steep it for three minutes, then decide.",
        ),
        (
            Kind(
                "Loose Tea",
                ("50 g", "100 g", "250 g"),
                ("{look} in whole leaves, picked this spring.", "A clear and lively {look} with a long finish."),
                ("Good for two infusions.", "For mornings that need some help."),
                (6, 29),
                ("looseleaf", "tea"),
            ),
            Kind(
                "Herbal Tea",
                ("30 g", "60 g", "120 g"),
                ("An infusion of {look}, dried gently and cut coarsely.", "Nothing but {look}, grown without sprays."),
                ("Free of caffeine, so it keeps until midnight.", "Calms the stomach and the day."),
                (5, 16),
                ("herbaltea", "caffeinefree"),
                ("Peppermint", "Camomile", "Lemon Verbena", "Rooibos", "Rosehip", "Nettle", "Elderflower", "Sage"),
            ),
        ),
        is_named=True,
    ),
    Category(
        "Home",
        "home.jpg",
        "#876a5a",
        ("Stille Stube", "Hearth & Row", "Wollwerk"),
        ("Sand", "Clay", "Olive", "Ink", "Ivory", "Ochre", "Smoke", "Rosewood", "Pine", "Denim"),
        (
            "Made to order in about a week.",
            "Comes without plastic in the parcel.",
            "Colours may differ a little from those on the screen.",
        ),
        (
            Kind(
                "Cushion Cover",
                ("40 × 40 cm", "50 × 50 cm"),
                (
                    "A cover of heavy linen in {look} with a hidden zip.",
                    "Washed linen in {look}, soft from the first day.",
                ),
                ("The cushion itself comes separately.", "Two of them make a sofa look slept on, in a good way."),
                (24, 49),
                ("cushion", "linen", "interior"),
            ),
            Kind(
                "Wool Throw",
                ("130 × 170 cm", "150 × 200 cm"),
                ("A throw of new wool in {look}, woven in herringbone.", "Warm new wool in {look} with short fringes."),
                ("For the sofa, the terrace and long train rides.", "Airing it is enough, it hardly needs a wash."),
                (79, 169),
                ("throw", "wool", "interior"),
            ),
            Kind(
                "Tea Towel",
                ("single", "set of two"),
                (
                    "A half-linen towel in {look} that leaves no fluff on glasses.",
                    "Half linen in {look}, with a loop to hang it.",
                ),
                ("Dries well from the first wash on.", "Too good for the drawer."),
                (12, 26),
                ("teatowel", "kitchen", "linen"),
            ),
            Kind(
                "Candle",
                ("20 hours", "40 hours", "60 hours"),
                ("A rapeseed wax candle that smells of {look}.", "Hand-poured candle with a scent of {look}."),
                ("Trim the wick and it burns evenly.", "Fills a room without taking it over."),
                (14, 39),
                ("candle", "handpoured", "cosy"),
                (
                    "Fig Leaf",
                    "Cedar",
                    "Sea Salt",
                    "Vanilla",
                    "Pine",
                    "Tonka",
                    "Bergamot",
                    "Tobacco",
                    "Jasmine",
                    "Linen",
                ),
            ),
        ),
    ),
    Category(
        "Pets",
        "pets.jpg",
        "#4d7c8a",
        ("Pfotenwerk", "Good Boy Goods", "Schnurr"),
        ("Hazel", "Olive", "Marine", "Cherry", "Stone", "Sunflower", "Teal", "Charcoal"),
        (
            "Machine wash at 40 degrees.",
            "Tested by eleven dogs and one sceptical cat.",
            "A size guide lies in the parcel.",
        ),
        (
            Kind(
                "Dog Collar",
                ("S", "M", "L"),
                ("A padded collar in {look} with a brass buckle.", "Soft webbing in {look} that does not rub."),
                ("Holds firm when a squirrel comes by.", "With a ring for the tag."),
                (18, 42),
                ("dogcollar", "dogs"),
                (),
            ),
            Kind(
                "Dog Bed",
                ("S", "M", "L"),
                (
                    "A bed in {look} with a raised edge to put the head on.",
                    "A thick mat in {look}, filled with recycled fibre.",
                ),
                ("The cover comes off with one zip.", "Good for old joints and young dreamers."),
                (49, 139),
                ("dogbed", "dogs"),
                (),
            ),
            Kind(
                "Cat Toy",
                ("single", "set of three"),
                ("A felt {look} filled with valerian.", "A small {look} of wool felt that rustles inside."),
                ("For hunters who never go outside.", "Light enough to be carried off."),
                (6, 18),
                ("cattoy", "cats"),
                ("Mouse", "Fish", "Bird", "Beetle", "Lizard", "Acorn"),
            ),
        ),
    ),
    Category(
        "Bags",
        "bags.jpg",
        "#5b4a3f",
        ("Taschenlager", "Fold & Field", "Marktgang"),
        ("Cognac", "Black", "Olive", "Navy", "Sand", "Burgundy", "Grey", "Forest", "Chestnut", "Petrol"),
        (
            "We repair it free of charge for five years.",
            "Sewn in Poland from canvas and leather offcuts.",
            "Gets better with age.",
        ),
        (
            Kind(
                "Tote Bag",
                ("Small", "Large"),
                (
                    "A canvas tote in {look} with an inside pocket for keys.",
                    "Heavy canvas in {look} with handles that do not cut in.",
                ),
                ("Carries melons without complaint.", "For the market and for the office."),
                (29, 69),
                ("totebag", "canvas"),
            ),
            Kind(
                "Backpack",
                ("14 litres", "20 litres"),
                (
                    "A plain backpack in {look} with a padded sleeve for a laptop.",
                    "Water-repellent canvas in {look}, closed with a roll top.",
                ),
                ("Fits under the seat of an aeroplane.", "Looks tidy with a suit as well."),
                (79, 159),
                ("backpack", "commuting"),
            ),
            Kind(
                "Wallet",
                ("Slim", "Classic"),
                (
                    "A wallet of vegetable-tanned leather in {look}.",
                    "Leather in {look} that takes on the shape of its contents.",
                ),
                ("Room for six cards and some notes.", "Small enough for a front pocket."),
                (35, 79),
                ("wallet", "leather"),
            ),
        ),
    ),
)
